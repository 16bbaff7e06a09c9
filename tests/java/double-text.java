// Prints the same as double-text.ds: see tests/tests/java.rs.
import java.math.*;
class Main {
    // Thousands of doubles as text: the shortest decimal that reads back as the same double and is nearest to it, with
    // at least one digit behind the point. JDK 19 and later print it so; older ones print some with more digits, so
    // the Java side finds the shortest one itself.

    /** As the documentation of `Double.toString` in JDK 21 has it. */
    static String shown(double d) {
        if (d != d || d == 0 || Double.isInfinite(d)) return Double.toString(d);
        if (d < 0) return "-" + shown(-d);
        BigDecimal exact = new BigDecimal(d);
        for (int digits = 2; ; digits++) {
            BigDecimal best = null;
            for (RoundingMode mode : new RoundingMode[] {RoundingMode.HALF_EVEN, RoundingMode.DOWN, RoundingMode.UP}) {
                BigDecimal near = exact.round(new MathContext(digits, mode));
                if (best == null && near.doubleValue() == d) best = near;
            }
            if (best == null) continue;
            String all = best.unscaledValue().toString();
            while (all.length() < digits) all += "0";
            int power = best.precision() - best.scale() - 1;
            while (all.endsWith("0") && all.length() > 1) all = all.substring(0, all.length() - 1);
            if (power >= -3 && power < 7) {
                if (power < 0) return "0." + "0".repeat(-power - 1) + all;
                while (all.length() < power + 2) all += "0";
                return all.substring(0, power + 1) + "." + all.substring(power + 1);
            }
            return all.charAt(0) + "." + (all.length() > 1 ? all.substring(1) : "0") + "E" + power;
        }
    }
    public static void main(String[] arguments) {
        long state = 12345;
        for (long i = 0; i < 3000; i++) {
            state = state * 6364136223846793005L + 1442695040888963407L;
            double d = Double.longBitsToDouble(state);
            System.out.println(shown(d));
        }
        for (long i = 0; i < 1000; i++) {
            double d = i / 8.0 + i * 1e3;
            System.out.println(shown(d / 1024));
        }
        double power = 1;
        for (long i = 0; i < 330; i++) {
            System.out.println(shown(power));
            System.out.println(shown(power * 9.5));
            power /= 10;
        }
        power = 1;
        for (long i = 0; i < 309; i++) {
            System.out.println(shown(-power));
            power *= 10;
        }
        for (long bits = 1; bits < 9000000000000000L; bits = bits * 3 + 1) {
            System.out.println(shown(Double.longBitsToDouble(bits)));
            System.out.println(shown(Double.longBitsToDouble(bits + 1)));
        }
        for (long i = 1; i < 2000; i += 7) {
            System.out.println(shown(i / 1000.0));
            System.out.println(shown(i * 0.1));
            System.out.println(shown(1.0 / i));
            System.out.println(shown(i * 1e6 + 0.5));
        }
        double two = 1;
        for (long i = 0; i < 1023; i++) two *= 2;
        for (long i = 0; i < 2097; i++) {
            System.out.println(shown(two));
            two /= 2;
        }
    }
}
