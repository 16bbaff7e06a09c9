// Prints the same as casts.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        System.out.println((long) 3.99);
        System.out.println((long) -3.99);
        System.out.println((long) 0.5);
        System.out.println((long) -0.5);
        System.out.println((long) 1e18);
        System.out.println((long) 9007199254740993.0);
        System.out.println((long) 'x');
        System.out.println((double) 7 / 2);
        System.out.println((double) (7 / 2));
        System.out.println((long) 7.9 / 2);
        System.out.println((long) (7.9 / 2));
        System.out.println((long) 2.5 * 2);
        System.out.println((double) 9007199254740993L);
        System.out.println((double) 9223372036854775807L);
        System.out.println((double) -9223372036854775808L);
        System.out.println((long) -9.223372036854775808e18);
        System.out.println((long) (double) 123456789);
        System.out.println((long) Math.floor(-2.5) + (long) Math.ceil(-2.5));
        double total = 0;
        for (long i = 0; i < 10; i++) total += (long) (i * 0.7);
        System.out.println(total);
        System.out.println((long) (0.1 * 3 * 10));
        System.out.println(-(long) 2.7);
        System.out.println((long) -2.7 - (long) +2.7);
    }
}
