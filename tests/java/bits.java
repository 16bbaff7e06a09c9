// Prints the same as bits.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        long[] values = {0, 1, -1, 12, -13, 0xF0F0, 1234567890123L};
        for (long a : values) {
            for (long b : values) {
                System.out.println((a & b) + " " + (a | b) + " " + (a ^ b) + " " + ~a + " " + (a & ~b));
            }
        }
        System.out.println(1 | 2 ^ 3 & 4);
        System.out.println(6 & 3 << 1);
        System.out.println((5 & 6) == 4);
        System.out.println(~0);
        System.out.println(~-1);
        System.out.println(-~5);
        boolean yes = true;
        boolean no = false;
        System.out.println(yes & no | yes ^ yes);
        System.out.println(yes ^ no);
        System.out.println(!yes | !no);
        yes &= no;
        System.out.println(yes);
        no |= true;
        System.out.println(no);
        no ^= true;
        System.out.println(no);
        long flags = 0;
        flags |= 0x10;
        flags |= 0x01;
        System.out.println(flags);
        flags &= ~0x10;
        System.out.println(flags);
        flags ^= 0xFF;
        System.out.println(flags);
    }
}
