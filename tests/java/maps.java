// Prints the same as maps.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    public static void main(String[] arguments) {
        Map<String, Long> m = new LinkedHashMap<>(); m.put("one", 1L); m.put("two", 2L);
        m.put("three", 3L);
        m.put("one", 11L);
        System.out.println(m.size() + " " + m.isEmpty());
        System.out.println(m.getOrDefault("two", 0L));
        System.out.println(m.getOrDefault("none", 0L));
        for (Map.Entry<String, Long> e : m.entrySet()) System.out.println(e.getKey() + "=" + e.getValue());
        System.out.println(m.containsKey("one") + " " + m.containsKey("four"));
        System.out.println(m.remove("one"));
        m.put("one", 111L);
        System.out.println(m.keySet());
        System.out.println(m.values());
        Map<Long, String> n = new LinkedHashMap<>();
        for (long i = 0; i < 200; i++) n.put(i * 37 % 101, "v" + i);
        System.out.println(n.size());
        for (long i = 0; i < 200; i += 3) n.remove(i);
        System.out.println(n.keySet());
        System.out.println(n.values());
        Map<String, Long> counts = new LinkedHashMap<>();
        for (String word : "the cat and the dog and the bird".split(" ")) {
            counts.put(word, counts.getOrDefault(word, 0L) + 1);
        }
        for (String key : counts.keySet()) System.out.println(key + " " + counts.get(key));
        counts.merge("cat", 10L, (a, b) -> a + b);
        System.out.println(counts.get("cat"));
        System.out.println(Map.of("a", 1, "b", 2).equals(Map.of("b", 2, "a", 1)));
        m.clear();
        System.out.println(m.size());
        Map<String, List<Long>> groups = new LinkedHashMap<>();
        for (long i = 0; i < 12; i++) {
            String key = i % 3 == 0 ? "fizz" : i % 2 == 0 ? "even" : "odd";
            if (!groups.containsKey(key)) groups.put(key, new ArrayList<>());
            groups.get(key).add(i);
        }
        for (Map.Entry<String, List<Long>> e : groups.entrySet()) System.out.println(e.getKey() + " " + e.getValue());
    }
}
