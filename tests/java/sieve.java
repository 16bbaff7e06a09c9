// Prints the same as sieve.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    public static void main(String[] arguments) {
        boolean[] composite = new boolean[100];
        for (long i = 2; i < 100; i++) {
            if (composite[(int) i]) continue;
            System.out.println(i);
            for (long j = i * i; j < 100; j += i) composite[(int) j] = true;
        }
        long perfect = 0;
        for (long n = 2; n < 1000; n++) {
            long sum = 1;
            for (long d = 2; d * d <= n; d++) {
                if (n % d == 0) sum += d + (d * d == n ? 0 : n / d);
            }
            if (sum == n) {
                perfect++;
                System.out.println("perfect " + n);
            }
        }
        System.out.println(perfect);
    }
}
