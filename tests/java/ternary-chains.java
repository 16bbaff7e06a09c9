// Prints the same as ternary-chains.ds: see tests/tests/java.rs.
class Main {
    static String size(long n) {
        return n < 0 ? "negative"
            : n == 0 ? "none"
            : n < 10 ? "few"
            : n < 100 ? (n % 2 == 0 ? "some, even" : "some, odd")
            : "many";
    }

    static long sign(double d) { return d > 0 ? 1 : d < 0 ? -1 : 0; }

    public static void main(String[] arguments) {
        for (long n : new long[] {-5, 0, 3, 42, 43, 1000}) System.out.println(size(n));
        System.out.println(sign(2.5) + " " + sign(-0.1) + " " + sign(-0.0));
        boolean flag = true;
        System.out.println(flag ? 1 : 2.5);
        System.out.println(!flag ? 1 : 2.5);
        double d = flag ? 3 : 4.5;
        System.out.println(d);
        long depth = 0;
        long x = depth > 0 ? 1 : depth == 0 ? depth < 5 ? 10 : 20 : 30;
        System.out.println(x);
        String s = 1 == 1 ? "both" : "never";
        System.out.println(s);
        System.out.println((flag ? "yes" : "no") + (flag ? 1 : 0));
        long calls = 0;
        long r = flag ? calls++ : calls--;
        System.out.println(r + " " + calls);
    }
}
