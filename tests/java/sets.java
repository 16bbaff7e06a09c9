// Prints the same as sets.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    public static void main(String[] arguments) {
        Set<Long> s = new LinkedHashSet<>();
        for (long i = 0; i < 20; i++) s.add(i * i % 11);
        System.out.println(s.size());
        System.out.println(s);
        System.out.println(s.contains(9L) + " " + s.contains(2L));
        System.out.println(s.remove(9L));
        System.out.println(s.remove(9L));
        System.out.println(s.add(9L) + " " + s.add(0L));
        long sum = 0;
        for (long n : s) sum = sum * 3 + n;
        System.out.println(sum);
        Set<String> words = new LinkedHashSet<>();
        for (String w : "b a c a b d".split(" ")) System.out.println(w + " " + words.add(w));
        System.out.println(words);
        words.clear();
        System.out.println(words.isEmpty() + " " + words);
    }
}
