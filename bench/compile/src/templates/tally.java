// ---- part @N ----

/** A way to count @W. */
interface Counter@N {
    long count(String word);

    /** Counts all of them. */
    default long all(List<String> words) {
        long sum = 0;
        for (String word : words) {
            sum += count(word);
        }
        return sum;
    }
}

record Lengths@N(long factor) implements Counter@N {
    public long count(String word) { return word.length() * factor; }
}

class Calls@N implements Counter@N {
    private final Map<String, Long> seen = new LinkedHashMap<>();

    public long count(String word) {
        seen.put(word, seen.getOrDefault(word, 0L) + 1);
        return seen.getOrDefault(word, 0L);
    }

    List<String> often(long floor) {
        List<String> found = new ArrayList<>();
        for (Map.Entry<String, Long> entry : seen.entrySet()) {
            if (entry.getValue() >= floor) {
                found.add(entry.getKey() + " (" + entry.getValue() + " times)");
            }
        }
        return found;
    }
}

/** Two values that belong together. */
record Both@N<A, B>(A left, B right) {
    Both@N<B, A> turned() { return new Both@N<>(right, left); }
}

class Tally@N { static <T> T pick@N(List<T> values, int index, T other) {
    if (index < 0 || index >= values.size()) {
        return other;
    }
    return values.get(index);
}

static <T> List<T> every@N(List<T> values, int step) {
    var found = new ArrayList<T>();
    int index = 0;
    while (index < values.size()) {
        found.add(values.get(index));
        index += step;
    }
    return found;
}

/** What a command named @W costs, in points. */
static long points@N(String command) {
    return switch (command) {
        case "start", "restart" -> @K;
        case "stop" -> @K1;
        case "status" -> 1;
        case "kill" -> {
            long base = command.length() * 2;
            yield base > 4 ? base : @K2;
        }
        default -> 0;
    };
}

static long primes@N(long limit) {
    long found = 0;
    outer:
    for (long n = 2; n < limit; n++) {
        for (long d = 2; d * d <= n; d++) {
            if (n % d == 0) {
                continue outer;
            }
        }
        found++;
    }
    return found;
}

static double mean@N(List<Long> values, LongToDoubleFunction scale) {
    double sum = 0.0;
    for (long value : values) {
        sum += scale.applyAsDouble(value);
    }
    return values.isEmpty() ? 0.0 : sum / values.size();
}

static long bits@N(long value) {
    long mixed = (value << 3) ^ (value >> 2) ^ (value & 0xFF) | @K;
    long count = 0;
    do {
        count += mixed & 1;
        mixed = mixed >> 1;
    } while (mixed > 0);
    return count;
}

/** Counts @W and says what there is most of. */
static boolean tally@N(String command, long limit) {
    List<String> words = List.of("@W", "disk", "net", "@W", command);
    var calls = new Calls@N();
    List<Counter@N> counters = List.of(new Lengths@N(@K), calls);
    long total = 0;
    for (Counter@N counter : counters) {
        total += counter.all(words);
    }
    var both = new Both@N<>(total, pick@N(words, 2, "none")).turned();
    List<Long> sizes = words.stream().map(w -> w.length() + points@N(w)).toList();
    double mean = mean@N(every@N(sizes, 2), n -> n * 1.5 + limit);
    if (mean > limit || both.right() > primes@N(limit)) {
        System.out.println(both.left() + ": " + String.join(", ", calls.often(2)) + " of " + words.size());
    }
    return bits@N(total) > 0 && mean >= 0.0;
} }

