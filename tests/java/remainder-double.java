// Prints the same as remainder-double.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        double[] values = {5.5, -5.5, 0.0, -0.0, 1e300, 3.0, -3.0, 0.1};
        for (double a : values) {
            for (double b : values) {
                System.out.println(a + " % " + b + " = " + a % b);
                System.out.println(a + " / " + b + " = " + a / b);
            }
        }
        double nan = 0.0 / 0.0;
        double infinite = 1.0 / 0.0;
        System.out.println(nan);
        System.out.println(infinite);
        System.out.println(-infinite);
        System.out.println(5.0 % infinite);
        System.out.println(infinite % 5.0);
        System.out.println(nan % 1.0);
        System.out.println(infinite - infinite);
        System.out.println(infinite * 0.0);
        System.out.println(1.0 / -0.0);
        System.out.println(7.5 % 2);
        System.out.println(7 % 2.5);
    }
}
