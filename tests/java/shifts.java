// Prints the same as shifts.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        long[] values = {1, -1, 255, -256, 9223372036854775807L, -9223372036854775808L, 0x0123456789ABCDEFL};
        for (long v : values) {
            for (long by = 0; by < 64; by += 9) {
                System.out.println(v + " by " + by + ": " + (v << by) + " " + (v >> by) + " " + (v >>> by));
            }
        }
        long x = 1;
        x <<= 40;
        System.out.println(x);
        x >>= 3;
        System.out.println(x);
        x = -x;
        x >>>= 60;
        System.out.println(x);
        System.out.println(1L << 2 + 3);
        System.out.println(256 >> 1 << 2 >>> 3);
        System.out.println((-1L >>> 1) == 9223372036854775807L);
        System.out.println(-1L >>> 63);
        System.out.println(-1L >> 63);
    }
}
