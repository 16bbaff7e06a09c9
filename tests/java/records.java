// Prints the same as records.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    record Point(long x, long y) {
        static Point origin() { return new Point(0, 0); }

        Point plus(Point other) { return new Point(x + other.x, y + other.y); }

        double length() { return Math.sqrt(x * x + y * y); }
    }

    record Line(Point from, Point to) {}

    record Measure(String name, double value) {}

    record Range(long low, long high) {
        Range {
            if (low > high) {
                long kept = low;
                low = high;
                high = kept;
            }
        }

        boolean has(long n) { return n >= low && n <= high; }
    }

    record Pair<A, B>(A first, B second) {
    Pair<B, A> swapped() { return new Pair<>(second, first); }
    }

    record Named(String name) {
        public String toString() { return "<" + name + ">"; }
    }

    public static void main(String[] arguments) {
        Point p = new Point(3, 4);
        Point q = new Point(1, 1).plus(new Point(2, 3));
        System.out.println(p.equals(q));
        System.out.println(p.equals(new Point(4, 3)));
        System.out.println(new Line(p, q).equals(new Line(q, p)));
        System.out.println(new Line(p, Point.origin()).equals(new Line(q, p)));
        System.out.println(p.length() + " " + p.x + " " + p.y);
        System.out.println(new Measure("a", 0.0).equals(new Measure("a", -0.0)));
        double nan = 0.0 / 0.0;
        System.out.println(new Measure("a", nan).equals(new Measure("a", nan)));
        Range r = new Range(9, 2);
        System.out.println(r.low + ".." + r.high + " " + r.has(5) + " " + r.has(10));
        System.out.println(r.equals(new Range(2, 9)));
        Pair<String, Long> pair = new Pair<>("a", 1L);
        System.out.println(pair.swapped().first + pair.swapped().second);
        System.out.println(pair.swapped().swapped().equals(pair));
        System.out.println(new Named("x"));
        System.out.println("" + new Named("y") + new Named("z"));
        Set<Point> seen = new LinkedHashSet<>();
        System.out.println(seen.add(p));
        System.out.println(seen.add(q));
        System.out.println(seen.add(new Point(4, 3)));
        System.out.println(seen.size() + " " + seen.contains(new Point(3, 4)) + " " + seen.contains(new Point(0, 0)));
        Map<Line, String> names = new LinkedHashMap<>();
        names.put(new Line(p, q), "first");
        names.put(new Line(q, p), "second");
        names.put(new Line(p, Point.origin()), "third");
        System.out.println(names.size());
        System.out.println(names.getOrDefault(new Line(p, p), "none"));
        System.out.println(names.getOrDefault(new Line(p, new Point(5, 5)), "none"));
        List<Point> points = List.of(new Point(1, 2), p);
        System.out.println(points.indexOf(new Point(3, 4)) + " " + points.contains(new Point(2, 1)));
    }
}
