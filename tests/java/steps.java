// Prints the same as steps.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        long i = 5;
        System.out.println(i++);
        System.out.println(i);
        System.out.println(++i);
        System.out.println(i--);
        System.out.println(--i);
        System.out.println(-i++);
        System.out.println(- --i);
        System.out.println(i++ + ++i);
        System.out.println(i-- - --i);
        double d = 0.5;
        d++;
        System.out.println(d);
        System.out.println(d-- + 1);
        System.out.println(--d);
        long n = 0;
        while (n++ < 3) System.out.println("n is " + n);
        System.out.println(n);
        long m = 3;
        do {
            System.out.println(m);
        } while (--m > 0);
        for (long a = 0, b = 10; a < b; a += 3, b--) System.out.println(a + " " + b);
        long total = 0;
        for (long a = 0; a < 5; ++a) total += a++ * 2;
        System.out.println(total);
    }
}
