// Prints the same as wrapping.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        long[] values = {0, 1, -1, 2, 9223372036854775807L, -9223372036854775808L, 4611686018427387904L, 3037000500L};
        for (long a : values) {
            for (long b : values) {
            long sum = a + b;
            long difference = a - b;
            long product = a * b;
                System.out.println(sum + " " + difference + " " + product);
            }
        }
        long hash = 7;
        for (long i = 0; i < 50; i++) {
            hash = hash * 31 + i * i;
            System.out.println(hash);
        }
    }
}
