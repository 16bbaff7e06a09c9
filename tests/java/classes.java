// Prints the same as classes.ds: see tests/tests/java.rs.
class Main {
    static class Account {
        static final long LIMIT = 1_000;
        private long balance;
        final String owner;
        long moves = 0;
        private String last = "none";

        Account(String owner, long balance) {
            this.owner = owner;
            this.balance = balance * 2 - balance;
        }

        Account deposit(long amount) {
            balance += amount;
            moves++;
            last = "deposit " + amount;
            return this;
        }

        boolean withdraw(long amount) {
            if (amount > balance || amount > LIMIT) {
                last = "refused";
                return false;
            }
            balance -= amount;
            moves++;
            return true;
        }

        long balance() { return balance; }

        static Account rich(String owner) { return new Account(owner, LIMIT * LIMIT); }

        void giveTo(Account other, long amount) {
            if (withdraw(amount)) other.deposit(amount);
        }

        public String toString() { return owner + ": " + balance + " (" + moves + ", " + last + ")"; }
    }

    static class Counter {
        private long n = 0;

        long next() { return n++; }

        long twice() { return next() + this.next() * 10; }
    }

    public static void main(String[] arguments) {
        Account a = new Account("Ann", 50);
        Account b = Account.rich("Bob");
        a.deposit(10).deposit(20);
        System.out.println(a);
        System.out.println(a.withdraw(500));
        System.out.println(a);
        System.out.println(a.withdraw(30) + " " + a.balance());
        b.giveTo(a, 999);
        b.giveTo(a, 1001);
        System.out.println(a + " / " + b);
        Account same = a;
        same.deposit(1);
        System.out.println(a.balance() == same.balance());
        System.out.println(a == same);
        System.out.println(a == new Account("Ann", 50));
        System.out.println(Account.LIMIT + a.owner);
        Counter c = new Counter();
        System.out.println(c.twice() + " " + c.next());
    }
}
