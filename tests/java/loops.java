// Prints the same as loops.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        long total = 0;
        for (long i = 10; i > 0; i -= 3) total += i;
        System.out.println(total);
        for (long i = 0; i < 3; i++) {
            long square = i * i;
            System.out.println(square);
        }
        long i = 0;
        while (i < 100) {
            i += 7;
            if (i % 2 == 0) continue;
            if (i > 50) break;
            System.out.println(i);
        }
        System.out.println("left at " + i);
        do System.out.println("once"); while (false);
        long n = 27;
        long steps = 0;
        do {
            n = n % 2 == 0 ? n / 2 : 3 * n + 1;
            steps++;
        } while (n != 1);
        System.out.println(steps);
        for (; n < 5; ) n++;
        System.out.println(n);
        for (long a = 1, b = 1; a < 100; ) {
            System.out.println(a);
            long next = a + b;
            a = b;
            b = next;
        }
        long x = 0;
        for (x = 3; x < 6; x++) {}
        System.out.println(x);
        double d = 0;
        for (double step = 0.125; step <= 1; step *= 2) d += step;
        System.out.println(d);
        for (String s = "a"; s.length() < 4; s += s.length()) System.out.println(s);
        long depth = 0;
        for (long p = 0; p < 10; p++) for (long q = p; q < 10; q += p + 1) if (q % 3 == 1) depth += q;
        System.out.println(depth);
        {
            long scoped = 5;
            System.out.println(scoped);
        }
        {
            String scoped = "again";
            System.out.println(scoped);
        }
    }
}
