// Prints the same as math.ds: see tests/tests/java.rs.
class Main {
    static void near(String name, double value) {
        System.out.println(name + " " + Math.round(value * 1e9));
    }

    public static void main(String[] arguments) {
        for (double x = -2.5; x <= 2.5; x += 0.5) {
            System.out.println(Math.floor(x) + " " + Math.ceil(x) + " " + Math.rint(x) + " " + Math.round(x) + " " + Math.abs(x));
        }
        System.out.println(Math.round(0.49999999999999994));
        System.out.println(Math.round(-0.5));
        System.out.println(Math.round(1e18));
        System.out.println(Math.round(4503599627370497.5));
        System.out.println(Math.abs(-5) + " " + Math.max(3, 7) + " " + Math.min(3, 7));
        System.out.println(Math.max(2.5, 1) + " " + Math.min(2.5, 1));
        System.out.println(Math.floorDiv(-7L, 2L) + " " + Math.floorMod(-7L, 2L) + " " + Math.floorMod(7L, -3L) + " " + Math.floorDiv(7L, -3L));
        System.out.println(Math.sqrt(2.0));
        System.out.println(Math.sqrt(144));
        System.out.println(Math.cbrt(27.0));
        System.out.println(Math.pow(2, 10));
        System.out.println(Math.pow(2, -1));
        System.out.println(Math.pow(2, 0.5));
        System.out.println(Math.pow(0, 0));
        System.out.println(Math.pow(-8, 3));
        System.out.println(Math.pow(-8, 1.0 / 3));
        System.out.println(Math.hypot(3, 4));
        System.out.println(Math.signum(-2.5) + " " + Math.signum(0.0) + " " + Math.signum(7.0));
        System.out.println(Math.toDegrees(Math.PI) + " " + Math.toRadians(180.0));
        for (long i = -10; i <= 10; i++) {
            double x = i * 0.37;
            near("sin", Math.sin(x));
            near("cos", Math.cos(x));
            near("tan", Math.tan(x));
            near("atan", Math.atan(x));
            near("exp", Math.exp(x));
            near("sinh", Math.sinh(x));
            near("cosh", Math.cosh(x));
            near("tanh", Math.tanh(x));
            near("atan2", Math.atan2(x, 1.5));
        }
        for (long i = 1; i <= 10; i++) {
            double x = i * 0.1;
            near("log", Math.log(x));
            near("log10", Math.log10(x));
            near("asin", Math.asin(x));
            near("acos", Math.acos(x));
            near("pow", Math.pow(x, x));
        }
        System.out.println(Math.PI + " " + Math.E);
        System.out.println(Math.log(0.0) + " " + Math.log(-1.0) + " " + Math.exp(1000));
        System.out.println(Math.atan2(0.0, -1.0) + " " + Math.atan2(-0.0, -1.0));
        System.out.println(Math.asin(2.0));
    }
}
