// Prints the same as labels.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        outer:
        for (long i = 0; i < 5; i++) {
            for (long j = 0; j < 5; j++) {
                if (j == 3) continue outer;
                if (i == 3) break outer;
                if ((i + j) % 2 == 0) continue;
                System.out.println(i + "," + j);
            }
            System.out.println("never after three");
        }
        long n = 0;
        search:
        while (true) {
            n++;
            do {
                n += 2;
                if (n > 20) break search;
                if (n % 5 == 0) continue search;
            } while (n % 7 != 0);
            System.out.println("seven " + n);
        }
        System.out.println(n);
        a:
        for (long i = 0; ; i++) {
            b:
            for (long j = 0; ; j++) {
                for (long k = 0; k < 3; k++) {
                    if (k == 2) continue b;
                    if (j == 2) continue a;
                    if (i == 2) break a;
                    System.out.println(i + " " + j + " " + k);
                }
            }
        }
        long count = 0;
        for (long i = 0; i < 3; i++)
            for (long j = i; j < 3; j++)
                if (j != 1)
                    count += i * 10 + j;
                else
                    count--;
        System.out.println(count);
        rows:
        for (String row : new String[] {"abc", "xbz", "q"}) {
        for (int at = 0; at < row.length(); at++) {
                if (row.charAt(at) == 'b') {
                    System.out.println(row + " has b at " + at);
                    continue rows;
                }
        }
            System.out.println(row + " has none");
        }
    }
}
