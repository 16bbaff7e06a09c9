// Prints the same as switch-int.ds: see tests/tests/java.rs.
class Main {
    static String name(long day) {
    return switch ((int) day) {
            case 1 -> "Monday";
            case 2 -> "Tuesday";
            case 6, 7 -> "weekend";
            case -1 -> "before";
            case 0x10 -> "sixteen";
            case 'a' -> "the letter a";
            default -> "day " + day;
        };
    }

    static long score(long n) {
    return switch ((int) n % 5) {
            case 0 -> 0;
            case 1 -> {
                long twice = n * 2;
                yield twice + 1;
            }
            case 2 -> {
                if (n > 10) yield 100;
                for (long i = 0; ; i++) {
                    if (i * i > n) yield i;
                }
            }
            default -> {
            yield n > 7 ? n - 7 : switch ((int) n) { case 3 -> 33; default -> 44; };
            }
        };
    }

    static void walk(long n) {
    switch ((int) n) {
            case 1 -> System.out.println("one");
            case 2, 3 -> {
                System.out.println("two or three");
                if (n == 2) {
                    return;
                }
                System.out.println("three");
            }
            default -> {}
        }
        System.out.println("after " + n);
    }

    public static void main(String[] arguments) {
        for (long day = -1; day < 9; day++) System.out.println(name(day));
        System.out.println(name(16) + " " + name(97));
        for (long n = 0; n < 20; n++) System.out.println(score(n));
        for (long n = 0; n < 5; n++) walk(n);
        loop:
        for (long i = 0; i < 6; i++) {
            switch ((int) i) {
                case 1 -> { continue; }
                case 4 -> { break loop; }
                case 2 -> System.out.println("two");
                default -> System.out.println("other " + i);
            }
            System.out.println("end of " + i);
        }
    }
}
