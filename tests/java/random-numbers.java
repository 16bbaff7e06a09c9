// Prints the same as random-numbers.ds: see tests/tests/java.rs.
import java.util.List;
class Main {
    // SplitMix64, a linear congruential generator and FNV-1a.

    static long mix(long state) {
        long z = state;
    z = (z ^ (z >>> 30)) * -4658895280553007687L;
    z = (z ^ (z >>> 27)) * -7723592293110705685L;
        return z ^ (z >>> 31);
    }

    static long fnv(String text) {
    long hash = -3750763034362895579L;
        for (int i = 0; i < text.length(); i++) {
        hash = (hash ^ text.charAt(i)) * 1099511628211L;
    }
        return hash;
    }

    public static void main(String[] arguments) {
        long state = 42;
        for (long i = 0; i < 40; i++) {
            state += -7046029254386353131L;
            long z = mix(state);
            System.out.println(z + " " + (z >>> 11) * 1.1102230246251565e-16);
        }
        long seed = 1;
        for (long i = 0; i < 40; i++) {
            seed = (seed * 1103515245 + 12345) % 2147483648L;
            System.out.println(seed % 6 + 1);
        }
        for (String word : List.of("", "a", "foobar", "the quick brown fox")) System.out.println(word + ": " + fnv(word));
    }
}
