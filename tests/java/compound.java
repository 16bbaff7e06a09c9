// Prints the same as compound.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    static class Cell {
        long value = 0;
        long reads = 0;

        Cell(long start) { value = start; }

        Cell self() {
            reads++;
            return this;
        }
    }

    static long shown(String what, long value) {
        System.out.println(what);
        return value;
    }

    static long shownIndex(long index) {
        System.out.println("index");
        return index;
    }

    public static void main(String[] arguments) {
        long n = 100;
        n += 5;
        System.out.println(n);
        n -= 7 + 3;
        System.out.println(n);
        n *= 2 + 1;
        System.out.println(n);
        n /= 4;
        System.out.println(n);
        n %= 10;
        System.out.println(n);
        double d = 1;
        d += 1;
        d /= 4;
        d *= 3;
        d -= 0.25;
        System.out.println(d);
        d %= 0.5;
        System.out.println(d);
        String s = "a";
        s += 1;
        s += 2.5;
        s += true;
        s += "b" + 3 + 4;
        System.out.println(s);
        long a = 5;
        a += a++ + ++a;
        System.out.println(a);
        a = a++ * 2 + a;
        System.out.println(a);
        long b = a = 3;
        System.out.println(b + " " + a);
        b += a -= 1;
        System.out.println(b + " " + a);
        long[] xs = {10, 20, 30, 40};
        long i = 0;
        xs[(int) i++] += i;
        xs[(int) i] *= i++ + 2;
        xs[(int) i++]++;
        --xs[(int) i];
        for (long x : xs) System.out.println(x);
        System.out.println(i);
        xs[(int) shownIndex(1)] -= shown("value", 3);
        System.out.println(xs[1]);
        Cell cell = new Cell(3);
        cell.self().value += 4;
        cell.self().value++;
        System.out.println(cell.value + " " + cell.reads);
        long t = 1;
        t += t += t += 1;
        System.out.println(t);
        t <<= 3;
        t |= 1;
        t ^= 0xF;
        t >>= 1;
        System.out.println(t);
        long k = 10;
        k -= k - (k = 3);
        System.out.println(k);
        System.out.println((k = 7) + k * 2);
    }
}
