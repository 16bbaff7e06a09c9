// ---- part @N ----

class Repair@N { static final long LIMIT@N = @K * 1_000;
static final String UNIT@N = "@W-@N";

enum Step@N { FIND, STOP, CLEAN, START, VERIFY }

/** A plan of steps for @W. */
record Plan@N(String unit, List<Step@N> steps, long budget) {
    Step@N next(int done) { return done < steps.size() ? steps.get(done) : null; }

    boolean fits(long cost) { return cost >= 0 && cost * steps.size() <= budget; }
}

sealed interface Finding@N {}
record Clean@N() implements Finding@N {}
record Leak@N(String process, long bytes) implements Finding@N {}
record Flood@N(Leak@N cause, double rate) implements Finding@N {}

/** What a step costs; a step without a price is an error. */
static long cost@N(Step@N step, long load) throws Failure {
    if (load < 0) {
        throw new Failure("negative load " + load);
    }
    return switch (step) {
        case FIND -> @K;
        case STOP, START -> load + @K1;
        case CLEAN -> load * 2;
        case VERIFY -> throw new Failure("unknown cost");
    };
}

static long sum@N(Plan@N plan, long load) throws Failure {
    long sum = 0;
    for (Step@N step : plan.steps) {
        long cost = cost@N(step, load);
        sum += cost;
    }
    return sum;
}

static double severity@N(Finding@N finding) {
    return
        finding instanceof Clean@N c ? 0.0 :
        finding instanceof Leak@N l ? l.bytes / 1024.0 :
        finding instanceof Flood@N f ? f.rate + severity@N(f.cause)
    : 0.0;
}

/** Text for people. */
static String report@N(Plan@N plan, long load) {
    long sum = 0;
    try { sum = sum@N(plan, load);
    } catch (Failure failure) {
        return "no plan for " + plan.unit + ": " + failure.getMessage();
    }
    // Nothing failed.

    String size = sum > 100 ? "large" : sum > 50 ? "middle" : "small";
    return """
        Plan for %s
        costs %s, which is %s
        """.formatted(plan.unit, sum, size);
}

/** Mixes numbers about @W as checksums do. */
static long mix@N(long a, long b, long c) {
    long x = a * 31 + b;
    long y = b * 17 - c;
    long z = (x ^ y) & 0xFFFF;
    if (x > y && z != 0 || c == @K) {
        x -= y;
        y = (y << 1) + z % 7;
    } else if (x == y) {
        x = y + 1;
        z++;
    } else {
        z = x < 0 ? -x : x;
        y *= 3;
    }
    x = x % 1_000 + (y / 3 - z) % 1_000;
    y = (x | z) & ~b & 0xFFF;
    z = x * y - (z >> 2) + a % 11;
    while (z > 4_096) {
        z = z / 2 - @K2;
    }
    return x + y * 2 + z;
}

static List<Long> series@N(long from, long step, long length) {
    List<Long> values = new ArrayList<>();
    long value = from;
    for (long i = 0; i < length; i++) {
        values.add(value);
        value += i % 2 == 0 ? step : -step / 2;
    }
    return values;
}

static boolean ordered@N(List<Long> values) {
    for (int i = 1; i < values.size(); i++) {
        if (values.get(i - 1) > values.get(i)) {
            return false;
        }
    }
    return true;
}

/** Plans what to do about @W. */
static boolean repair@N(long load) {
    var plan = new Plan@N(UNIT@N, List.of(Step@N.FIND, Step@N.STOP, Step@N.START), LIMIT@N);
    System.out.println(report@N(plan, load));
    Leak@N leak = new Leak@N("@W", mix@N(load, @K, @K1));
    List<Finding@N> findings = List.of(new Clean@N(), leak, new Flood@N(leak, 0.5));
    double worst = 0.0;
    for (Finding@N finding : findings) {
        worst = Math.max(worst, severity@N(finding));
    }
    List<Long> values = new ArrayList<>(series@N(load, @K, 12).stream().map(v -> v * v % 101).toList());
    values.sort(null);
    Step@N step = plan.next(1);
    if (step != null && ordered@N(values)) {
        System.out.println(step + ": worst " + worst + " in " + values);
    }
    return plan.fits(values.size());
} }

