// Prints the same as sorting.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    record Person(String name, long age, double score) {}

    public static void main(String[] arguments) {
        List<Person> people = new ArrayList<>(List.of(new Person("Ann", 30, 1.5), new Person("Bob", 25, 2.5), new Person("Cid", 30, 0.5), new Person("Dan", 25, 2.5), new Person("Eve", 20, -1)));
        people.sort(Comparator.comparing(p -> p.age));
        for (Person p : people) System.out.println(p.name + " " + p.age);
        people.sort(Comparator.comparing(p -> p.score));
        for (Person p : people) System.out.println(p.name + " " + p.score);
        people.sort((a, b) -> Long.compare(b.age, a.age));
        for (Person p : people) System.out.println(p.name);
        people.sort(Comparator.comparing(p -> p.name));
        for (Person p : people) System.out.println(p.name);
        List<Long> numbers = new ArrayList<>(List.of(5L, -3L, 9L, 0L, 5L, -9223372036854775808L, 9223372036854775807L, 2L));
        Collections.sort(numbers);
        System.out.println(numbers);
        List<Double> reals = new ArrayList<>(List.of(2.5, -0.0, 0.0, -1e300, 1.0 / 0, 1e-300, -1.0 / 0));
        Collections.sort(reals);
        System.out.println(reals);
        List<String> words = new ArrayList<>(List.of("pear", "Apple", "fig", "apple", "", "fig2", "Fig", "zebra", "10", "9"));
        Collections.sort(words);
        System.out.println(words);
        words.sort(Comparator.comparing(w -> w.length()));
        System.out.println(words);
        List<Long> many = new ArrayList<>();
        long x = 17;
        for (long i = 0; i < 500; i++) {
            x = (x * 1103515245 + 12345) % 2147483648L;
            many.add(x % 1000);
        }
        many.sort(Comparator.comparing(n -> n / 100));
        System.out.println(many);
        Collections.reverse(many);
        many.sort(Comparator.comparing(n -> n % 10));
        System.out.println(many);
        Collections.sort(many);
        System.out.println(many);
    }
}
