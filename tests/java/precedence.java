// Prints the same as precedence.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        System.out.println(1 + 2 * 3 % 4 - 5);
        System.out.println(8 / 4 / 2 * 3 % 4);
        System.out.println(1 + 2 << 3 - 1);
        System.out.println(1 << 3 > 7 == true);
        System.out.println(5 & 3 | 4 ^ 1);
        System.out.println(5 > 3 && 2 < 1 || 4 >= 4);
        System.out.println(5 > 3 || 2 < 1 && 4 < 4);
        System.out.println(!(5 > 3) || !(2 > 1) && true);
        System.out.println(5 == 3 + 2 && 4 != 2 * 2 || false);
        System.out.println(-2 * -3 - -4);
        System.out.println(~5 + 1 == -5);
        System.out.println(true ? 1 : false ? 2 : 3);
        System.out.println(false ? 1 : true ? 2 : 3);
        System.out.println(1 < 2 ? 3 > 4 ? "a" : "b" : "c");
        System.out.println("a" + 1 + 2);
        System.out.println(1 + 2 + "a");
        System.out.println("a" + (1 + 2));
        System.out.println("a" + 1 * 2);
        System.out.println("a" + -1);
        System.out.println(1 + 2 + "a" + 1 + 2 + 'b' * 2);
        System.out.println("x" + (1 > 0) + !true);
        long a = 6;
        long b = 4;
        System.out.println(a & b << 1 | a ^ b >> 1);
        System.out.println(a - b > 1 ? a * b : a + b);
        System.out.println((a = b) + a * 2);
        System.out.println(a++ + b-- * -a);
        System.out.println(0 - -a % 3 * 2);
        System.out.println(1 - 1 > 0 != 2 > 1);
        System.out.println((1 == 1) == (2 == 2) != (3 == 4));
    }
}
