// Prints the same as promotion.ds: see tests/tests/java.rs.
class Main {
    static double half(double x) { return x / 2; }

    static double widened(long n) { return n; }

    public static void main(String[] arguments) {
        System.out.println(1 / 2);
        System.out.println(1 / 2.0);
        System.out.println(1.0 / 2);
        System.out.println(7 / 2 * 2.0);
        System.out.println(7 / 2.0 * 2);
        System.out.println(half(5));
        System.out.println(widened(3));
        double d = 10;
        System.out.println(d);
        d += 1;
        System.out.println(d / 4);
        System.out.println(1 == 1.0);
        System.out.println(3 > 2.5);
        System.out.println(3 / 2 == 1.5);
        System.out.println(3 / 2.0 == 1.5);
        System.out.println(9007199254740993L == 9007199254740992.0);
        System.out.println(9223372036854775807L + 0.0);
        System.out.println(1 + 2 + 0.5 + "x");
        System.out.println(true ? 1 : 0.5);
        System.out.println(2 * 0.5 + 1);
        System.out.println(1e3 + 1);
        System.out.println(1_000.5e-1);
        System.out.println(0.5 + 1.0);
        System.out.println(0.1 + 0.2);
        System.out.println(0.1 + 0.7);
        System.out.println(4.35 * 100);
        System.out.println(1.1 * 3);
        System.out.println(1e16 + 1);
        System.out.println(123456789 * 1000.0);
        System.out.println('a' + 1);
        System.out.println('a' < 'b');
        System.out.println('z' - 'a');
    }
}
