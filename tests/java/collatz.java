// Prints the same as collatz.ds: see tests/tests/java.rs.
class Main {
    static long length(long start) {
        long n = start;
        long steps = 0;
        while (n != 1) {
            if (n % 2 == 0) n /= 2;
            else n = 3 * n + 1;
            steps++;
        }
        return steps;
    }

    public static void main(String[] arguments) {
        long best = 0;
        long longest = 0;
        for (long i = 1; i < 3000; i++) {
            long steps = length(i);
            if (steps > longest) {
                longest = steps;
                best = i;
                System.out.println(i + " takes " + steps);
            }
        }
        System.out.println(best + " " + longest);
    }
}
