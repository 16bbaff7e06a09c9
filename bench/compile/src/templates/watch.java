// ---- part @N ----

/** How full host @N is. */
enum Level@N {
    LOW(@K), MIDDLE(@K1), HIGH(@K2);

    final long floor;

    Level@N(long floor) { this.floor = floor; }

    boolean below(long load) { return floor < load; }
}

/** One look at the host. */
record Sample@N(String host, long free, double load, Level@N level) {
    /** Load for each byte that is free. */
    double pressure() { return load * 100 / (free + 1); }

    Sample@N later(long bytes) { return new Sample@N(host, free + bytes, load * 0.5, level); }

    public String toString() { return host + ": " + free + " bytes free at load " + load; }
}

sealed interface Event@N {}
record Started@N(String unit, long at) implements Event@N {}
record Stopped@N(String unit, long at, long status) implements Event@N {}
record Changed@N(Sample@N before, Sample@N after) implements Event@N {}

/** The newest samples of one host. */
class Window@N {
    private final List<Sample@N> samples = new ArrayList<>();
    private long dropped = 0;
    final long limit;

    Window@N(long limit) {
        this.limit = limit;
    }

    void add(Sample@N sample) {
        if (samples.size() >= limit) {
            samples.remove(0);
            dropped++;
        }
        samples.add(sample);
    }

    double average() {
        double sum = 0;
        for (Sample@N sample : samples) {
            sum += sample.load();
        }
        return samples.isEmpty() ? 0.0 : sum / samples.size();
    }

    List<String> hosts() {
        return samples.stream().filter(s -> s.free() > limit).map(s -> s.host()).toList();
    }

    long lost() { return dropped; }
}

class Watch@N { static String describe@N(Event@N event) {
    if (event instanceof Started@N s) {
        return s.unit() + " started at " + s.at();
    } else if (event instanceof Stopped@N s && s.status() != 0) {
        return s.unit() + " failed at " + s.at() + " with " + s.status();
    } else if (event instanceof Changed@N c) {
        return "from " + c.before().pressure() + " to " + c.after().pressure();
    }
    return "stopped";
}

static long weight@N(Level@N level, long load) {
    return switch (level) {
        case LOW -> load / 2;
        case MIDDLE -> load;
        case HIGH -> {
            long twice = load * 2;
            yield twice + @K;
        }
    };
}

/** Reads a number of @W; what is none counts as -1. */
static long number@N(String text) {
    long value = 0;
    for (int i = 0; i < text.length(); i++) {
        int c = text.charAt(i);
        if (c < '0' || c > '9') {
            return -1;
        }
        value = value * 10 + (c - '0');
        if (value > 1_000_000) {
            break;
        }
    }
    return value;
}

/** True while @W of host @N stays below its limit. */
static boolean watch@N(long rounds) {
    var window = new Window@N(16);
    List<Event@N> events = new ArrayList<>(List.of(new Started@N("@W", @K1)));
    for (long round = 0; round < rounds; round++) {
        Level@N level = round % 3 == 0 ? Level@N.LOW : Level@N.HIGH;
        var sample = new Sample@N("host-@N", round * @K2, round * 0.25, level);
        window.add(sample);
        if (level.below(round)) {
            events.add(new Changed@N(sample, sample.later(weight@N(level, round))));
        }
    }
    events.add(new Stopped@N("@W", number@N("@K2"), window.lost()));
    for (Event@N event : events) {
        System.out.println(describe@N(event));
    }
    System.out.println(window.hosts().size() + " of @W, " + window.average() + " on average");
    return window.average() < @K1 && window.lost() <= rounds;
} }

