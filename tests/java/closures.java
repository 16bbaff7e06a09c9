// Prints the same as closures.ds: see tests/tests/java.rs.
import java.util.*;
import java.util.function.*;
class Main {
    static LongUnaryOperator adder(long n) { return x -> x + n; }

    static LongSupplier counter() {
        long[] cell = {0};
        return () -> {
            cell[0]++;
            return cell[0];
        };
    }

    static long twice(LongUnaryOperator f, long x) { return f.applyAsLong(f.applyAsLong(x)); }

    static LongUnaryOperator both(LongUnaryOperator f, LongUnaryOperator g) { return x -> g.applyAsLong(f.applyAsLong(x)); }

    public static void main(String[] arguments) {
        System.out.println(adder(3).applyAsLong(4));
        var c = counter();
        c.getAsLong();
        c.getAsLong();
        System.out.println(c.getAsLong());
        var d = counter();
        System.out.println(d.getAsLong());
        System.out.println(twice(x -> x * x, 3));
        System.out.println(twice(adder(10), 1));
        LongUnaryOperator f = both(adder(1), x -> x * 100);
        System.out.println(f.applyAsLong(4));
        List<LongSupplier> later = new ArrayList<>();
        for (long i = 0; i < 4; i++) {
            long square = i * i;
            later.add(() -> square + 1);
        }
        for (LongSupplier get : later) System.out.println(get.getAsLong());
        String prefix = "<";
        String suffix = ">";
        Function<String, String> wrap = s -> prefix + s + suffix;
        System.out.println(wrap.apply(wrap.apply("x")));
        LongBinaryOperator larger = (a, b) -> a > b ? a : b;
        System.out.println(larger.applyAsLong(3, 9));
        Function<Long, Function<Long, Long>> curried = a -> b -> a * 10 + b;
        System.out.println(curried.apply(4L).apply(2L));
    }
}
