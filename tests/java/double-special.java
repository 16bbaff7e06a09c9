// Prints the same as double-special.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        double nan = 0.0 / 0.0;
        double up = 1e308 * 10;
        double zero = 0.0;
        double minus = -0.0;
        System.out.println(nan == nan);
        System.out.println(nan != nan);
        System.out.println(nan < 1 || nan > 1 || nan <= 1 || nan >= 1);
        System.out.println(!(nan < 1));
        System.out.println(zero == minus);
        System.out.println(1 / zero == 1 / minus);
        System.out.println(minus);
        System.out.println(-zero);
        System.out.println(0 - zero);
        System.out.println(minus + zero);
        System.out.println(minus - zero);
        System.out.println(minus * 5);
        System.out.println(up);
        System.out.println(-up);
        System.out.println(up > 1.7976931348623157e308);
        System.out.println(up - up);
        System.out.println(up + up);
        System.out.println(up / up);
        System.out.println(zero / up);
        System.out.println(1 / up);
        System.out.println(1 / -up);
        System.out.println(Math.max(nan, 1.0));
        System.out.println(Math.min(1.0, nan));
        System.out.println(Math.max(minus, zero));
        System.out.println(Math.min(zero, minus));
        System.out.println(Math.abs(minus));
        System.out.println(Math.sqrt(-1.0));
        System.out.println(Math.sqrt(minus));
        System.out.println(4.9e-324);
        System.out.println(4.9e-324 / 2);
        System.out.println(2.2250738585072014e-308);
        System.out.println(1.7976931348623157e308);
        System.out.println(1.7976931348623157e308 * 2 == up);
        double sum = 0;
        for (long i = 0; i < 1000; i++) sum += 0.1;
        System.out.println(sum);
        double product = 1;
        for (long i = 1; i < 100; i++) product *= i;
        System.out.println(product);
        double small = 1;
        long halvings = 0;
        while (small > 0) {
            small /= 2;
            halvings++;
        }
        System.out.println(halvings);
        double grow = 1;
        while (grow + 1 > grow) grow *= 2;
        System.out.println(grow);
    }
}
