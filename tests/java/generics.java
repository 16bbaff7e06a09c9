// Prints the same as generics.ds: see tests/tests/java.rs.
import java.util.*;
import java.util.function.*;
class Main {
    interface Sized { long size(); }
    record Box(long width) implements Sized {
        public long size() { return width; }
    }
    record Pair<A, B>(A first, B second) {
    <C> Pair<A, C> with(C other) { return new Pair<>(first, other); }
    }
    static class Stack<T> {
        private final List<T> items = new ArrayList<>();

        void push(T item) { items.add(item); }

        T pop() { return items.remove(items.size() - 1); }

        boolean isEmpty() { return items.isEmpty(); }

        long size() { return items.size(); }
    }

    static <T> T last(List<T> items) { return items.get(items.size() - 1); }

    static <T extends Sized> long sum(List<T> items) {
        long total = 0;
        for (T item : items) total += item.size();
        return total;
    }

    static <A, B> List<B> mapped(List<A> items, Function<A, B> f) {
        List<B> result = new ArrayList<>();
        for (A item : items) result.add(f.apply(item));
        return result;
    }

    static <T> boolean same(T a, T b) { return a.equals(b); }

    public static void main(String[] arguments) {
        System.out.println(last(List.of(1, 2, 3)));
        System.out.println(last(List.of("a", "b")));
        System.out.println(sum(List.of(new Box(2), new Box(5))));
        Stack<String> stack = new Stack<String>();
        stack.push("x");
        stack.push("y");
        System.out.println(stack.pop() + stack.size() + stack.isEmpty());
        Stack<Stack<Long>> nested = new Stack<Stack<Long>>();
        nested.push(new Stack<Long>());
        nested.pop().push(1L);
        System.out.println(nested.isEmpty());
        Pair<Long, String> p = new Pair<>(1L, "one");
        System.out.println(p.with(2.5).second + p.first);
        System.out.println(p.with(p).second.second);
        System.out.println(mapped(List.of(1L, 2L, 3L), n -> n * 1.5));
        System.out.println(mapped(List.of("a", "bb"), s -> s.length()));
        System.out.println(mapped(mapped(List.of(1L, 2L), n -> "n" + n), s -> s + "!"));
        System.out.println(same("ab", "a" + "b") + " " + same(1, 2) + " " + same(new Box(1), new Box(1)));
    }
}
