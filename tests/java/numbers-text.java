// Prints the same as numbers-text.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        System.out.println(0);
        System.out.println(-0);
        System.out.println(9223372036854775807L);
        System.out.println(-9223372036854775808L);
        System.out.println(0x7FFFFFFFFFFFFFFFL);
        System.out.println(0b1111_0000);
        System.out.println(1_2_3);
        System.out.println("" + 1 + -1);
        for (String text : new String[] {"0", "-7", "+7", "007", "9223372036854775807", "-9223372036854775808"}) {
            System.out.println(Long.parseLong(text));
        }
        for (String text : new String[] {"", "-", "1.5", "12a", "9223372036854775808", "0x10", "--1", "1_000"}) {
            try { System.out.println(Long.parseLong(text)); } catch (NumberFormatException e) { System.out.println(-1); }
        }
        System.out.println(Long.parseLong("ff", 16));
        System.out.println(Long.parseLong("-1010", 2));
        System.out.println(Long.toHexString(255));
        System.out.println(Long.toHexString(-1));
        System.out.println(Long.toBinaryString(10));
        System.out.println(Long.toOctalString(64));
        System.out.println(Long.toString(-255, 36));
        System.out.println(Long.compare(1, 2) + " " + Long.compare(2, 1) + " " + Long.compare(1, 1));
        System.out.println(Long.bitCount(255) + " " + Long.bitCount(-1));
        System.out.println(Long.numberOfLeadingZeros(1) + " " + Long.numberOfTrailingZeros(8) + " " + Long.numberOfLeadingZeros(0));
        System.out.println(Long.rotateLeft(1, 63) + " " + Long.rotateRight(1, 1));
        for (String text : new String[] {"1", "1.5", "-0.0", "1e3", "1E-3", ".5", "5.", "NaN", "Infinity"}) {
            System.out.println(Double.parseDouble(text));
        }
        System.out.println(Double.doubleToLongBits(1.5));
        System.out.println(Double.longBitsToDouble(4611686018427387904L));
        System.out.println(Double.compare(0.0, -0.0) + " " + Double.compare(1.0, 2.0));
    }
}
