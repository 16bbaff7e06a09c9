// Prints the same as order.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    static long say(String name, long value) {
        System.out.println(name);
        return value;
    }

    static boolean truth(String name, boolean value) {
        System.out.println(name);
        return value;
    }

    static long three(long a, long b, long c) { return a * 100 + b * 10 + c; }

    record Pair(long left, long right) {}

    public static void main(String[] arguments) {
        System.out.println(say("a", 1) + say("b", 2) * say("c", 3));
        System.out.println((say("a", 1) + say("b", 2)) * say("c", 3));
        System.out.println(three(say("x", 1), say("y", 2), say("z", 3)));
        System.out.println(new Pair(say("left", 1), say("right", 2)).left + say("more", 5));
        System.out.println(truth("p", false) && truth("q", true));
        System.out.println(truth("p", true) && truth("q", true) && truth("r", false));
        System.out.println(truth("p", true) || truth("q", true));
        System.out.println(truth("p", false) || truth("q", false) || truth("r", true));
        System.out.println(truth("p", false) & truth("q", true));
        System.out.println(truth("p", true) | truth("q", true));
        System.out.println(truth("p", true) ^ truth("q", true));
        System.out.println(truth("p", false) || truth("q", true) && truth("r", false));
        System.out.println(truth("test", true) ? say("yes", 1) : say("no", 2));
        System.out.println(truth("test", false) ? say("yes", 1) : truth("other", true) ? say("second", 2) : say("third", 3));
        System.out.println(say("less", 1) < say("more", 2) == truth("same", true));
        long i = 1;
        long j = i + i++ + i + ++i + i;
        System.out.println(j + " " + i);
        i = i++ + i++;
        System.out.println(i);
        i = i-- - --i;
        System.out.println(i);
        long k = 2;
        System.out.println(k * (k = 5) + k);
        System.out.println(three(k, k = 1, k + 1));
        System.out.println("" + k++ + k++ + k);
        long[] xs = {0, 0, 0, 0};
        long at = 0;
        xs[(int) at] = at = 2;
        for (long x : xs) System.out.println(x);
        xs[(int) at++] = at++;
        System.out.println(xs[2] + " " + at);
    }
}
