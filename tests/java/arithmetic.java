// Prints the same as arithmetic.ds: see tests/tests/java.rs.
class Main {
    static void both(long a, long b) {
        System.out.println(a + " / " + b + " = " + a / b + ", " + a + " % " + b + " = " + a % b);
    }

    public static void main(String[] arguments) {
        for (long a = -7; a <= 7; a += 7) {
            for (long b = -3; b <= 3; b += 2) both(a, b);
        }
        for (long a = -17; a < 18; a += 5) {
            for (long b = 1; b < 9; b += 3) {
                both(a, b);
                both(a, -b);
            }
        }
        both(9223372036854775807L, 2);
        both(9223372036854775807L, -2);
        both(-9223372036854775808L, 2);
        both(-9223372036854775808L, 3);
        both(-9223372036854775808L, 9223372036854775807L);
        System.out.println(-9223372036854775808L % -1);
        System.out.println(7 - 3 - 2);
        System.out.println(100 / 10 / 5);
        System.out.println(2 + 3 * 4 - 10 / 3 % 2);
        System.out.println((2 + 3) * (4 - 10) / 3);
        System.out.println(-7 / 2 * 2 + -7 % 2);
        System.out.println(- -5);
        System.out.println(-(-5) - -5);
        System.out.println(5 - - 5);
        System.out.println(1_000_000L * 1_000_000);
        System.out.println(0xFF + 0b1010 + 0x7FFF_FFFF_FFFF_F000L);
    }
}
