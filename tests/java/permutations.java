// Prints the same as permutations.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    static void permute(List<String> done, List<String> left) {
        if (left.isEmpty()) {
            System.out.println(String.join("", done));
            return;
        }
        for (int i = 0; i < left.size(); i++) {
            List<String> rest = new ArrayList<>(left);
            List<String> next = new ArrayList<>(done);
            next.add(rest.remove(i));
            permute(next, rest);
        }
    }

    static void choose(long n, long k, String chosen) {
        if (k == 0) {
            System.out.println(chosen + ".");
            return;
        }
        for (long i = n; i >= k; i--) choose(i - 1, k - 1, chosen + i + " ");
    }

    public static void main(String[] arguments) {
        permute(List.of(), List.of("a", "b", "c", "d"));
        choose(5, 3, "");
    }
}
