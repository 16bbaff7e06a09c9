// Prints the same as word-count.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    public static void main(String[] arguments) {
        String text = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness.";
        Map<String, Long> counts = new LinkedHashMap<>();
        String word = "";
        for (int i = 0; i < text.length(); i++) {
            long c = text.charAt(i);
            if (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
                word += text.substring(i, i + 1).toLowerCase();
            } else if (!word.isEmpty()) {
                counts.put(word, counts.getOrDefault(word, 0L) + 1);
                word = "";
            }
        }
        List<String> words = new ArrayList<>(counts.keySet());
        Collections.sort(words);
        words.sort(Comparator.comparing(w -> -counts.getOrDefault(w, 0L)));
        for (String w : words) System.out.println(counts.getOrDefault(w, 0L) + " " + w);
        long longest = 0;
        for (String w : words) longest = Math.max(longest, w.length());
        System.out.println(longest);
    }
}
