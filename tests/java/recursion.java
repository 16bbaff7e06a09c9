// Prints the same as recursion.ds: see tests/tests/java.rs.
class Main {
    static long fib(long n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

    static long ackermann(long m, long n) {
        if (m == 0) return n + 1;
        if (n == 0) return ackermann(m - 1, 1);
        return ackermann(m - 1, ackermann(m, n - 1));
    }

    static long hanoi(long n, String from, String to, String by) {
        if (n == 0) return 0;
        long moves = hanoi(n - 1, from, by, to);
        if (n == 1) System.out.println(from + " to " + to);
        return moves + 1 + hanoi(n - 1, by, to, from);
    }

    static boolean even(long n) { return n == 0 || odd(n - 1); }
    static boolean odd(long n) { return n != 0 && even(n - 1); }

    static long gcd(long a, long b) { return b == 0 ? a : gcd(b, a % b); }

    static long power(long base, long exponent) {
        if (exponent == 0) return 1;
        long half = power(base, exponent / 2);
        return exponent % 2 == 0 ? half * half : half * half * base;
    }

    static String binary(long n) { return n < 2 ? "" + n : binary(n / 2) + n % 2; }

    public static void main(String[] arguments) {
        for (long i = 0; i < 20; i += 3) System.out.println(fib(i));
        System.out.println(ackermann(2, 3));
        System.out.println(hanoi(4, "a", "b", "c"));
        System.out.println(even(100) + " " + odd(7) + " " + even(13));
        System.out.println(gcd(1071, 462) + " " + gcd(-12, 18) + " " + gcd(7, 0));
        System.out.println(power(3, 13) + " " + power(-2, 9) + " " + power(10, 18));
        System.out.println(binary(1000) + " " + binary(0));
    }
}
