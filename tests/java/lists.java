// Prints the same as lists.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    public static void main(String[] arguments) {
        List<String> xs = new ArrayList<>();
        xs.add("a");
        xs.add("b");
        xs.add("c");
        xs.add(1, "x");
        xs.add(4, "end");
        System.out.println(xs);
        System.out.println(xs.size() + " " + xs.isEmpty());
        System.out.println(xs.get(1) + xs.get(4));
        xs.set(2, "B");
        System.out.println(xs);
        System.out.println(xs.remove(0));
        System.out.println(xs.remove("c"));
        System.out.println(xs.remove("none"));
        System.out.println(xs);
        System.out.println(xs.indexOf("B") + " " + xs.indexOf("q"));
        System.out.println(xs.contains("end"));
        List<String> more = List.of("p", "q");
        xs.addAll(more);
        xs.addAll(new ArrayList<>(xs));
        System.out.println(xs);
        System.out.println(xs.subList(1, 4));
        System.out.println(List.of(1, 2, 3).equals(List.of(1, 2, 3)));
        System.out.println(List.of(List.of(1), List.of(2, 3), List.of(4)));
        System.out.println(List.of(1.0, 2.5));
        System.out.println(List.of("a", ""));
        System.out.println(List.of(true, false));
        Collections.reverse(xs);
        System.out.println(xs);
        xs.clear();
        System.out.println(xs);
        List<Long> ns = new ArrayList<>();
        for (long i = 0; i < 20; i++) ns.add(i * i % 7);
        long sum = 0;
        for (long n : ns) sum += n;
        System.out.println(sum);
        System.out.println(ns.stream().map(n -> n * 2).toList());
        System.out.println(ns.stream().filter(n -> n > 2).toList());
        System.out.println(ns.stream().reduce(100L, (a, b) -> a - b));
        System.out.println(ns.stream().anyMatch(n -> n == 4) + " " + ns.stream().allMatch(n -> n < 4));
        System.out.println(ns.stream().distinct().toList());
        System.out.println(Collections.min(ns) + " " + Collections.max(ns));
        List<List<Long>> grid = new ArrayList<>();
        for (long i = 0; i < 3; i++) {
            List<Long> row = new ArrayList<>();
            for (long j = 0; j < 3; j++) row.add(i * 3 + j);
            grid.add(row);
        }
        System.out.println(grid);
        System.out.println(grid.get(2).get(1));
        List<Long> alias = grid.get(0);
        alias.set(0, 99L);
        System.out.println(grid);
    }
}
