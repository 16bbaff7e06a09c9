// Prints the same as enums.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    enum Color { RED, GREEN, BLUE }

    enum Planet {
        MERCURY(3.303e23, 2.4397e6),
        EARTH(5.976e24, 6.37814e6),
        MARS(6.421e23, 3.3972e6);

        final double mass;
        final double radius;

        Planet(double mass, double radius) {
            this.mass = mass;
            this.radius = radius;
        }

        double gravity() { return 6.67300E-11 * mass / (radius * radius); }

        static Planet heaviest() {
            Planet best = MERCURY;
            for (Planet p : values()) {
                if (p.mass > best.mass) best = p;
            }
            return best;
        }
    }

    interface Priced {
        long price();
    }

    enum Fruit implements Priced {
        APPLE(3), PEAR(5);

        private final long cents;

        Fruit(long cents) { this.cents = cents; }

        public long price() { return cents * 100; }

        Fruit next() { return values()[(ordinal() + 1) % 2]; }
    }

    static String mood(Color c) {
        return switch (c) {
            case RED -> "angry";
            case GREEN, BLUE -> "calm";
        };
    }

    public static void main(String[] arguments) {
        for (Color c : Color.values()) System.out.println(c + " " + c.ordinal() + " " + c.name() + " " + mood(c));
        System.out.println(Color.RED == Color.RED);
        System.out.println(Color.RED == Color.BLUE);
        System.out.println(Color.values().length);
        Color c = Color.GREEN;
        System.out.println(c != Color.RED && c == Color.GREEN);
        for (Planet p : Planet.values()) System.out.println(p + ": " + p.gravity());
        System.out.println(Planet.heaviest());
        Priced priced = Fruit.PEAR;
        System.out.println(priced.price());
        System.out.println(Fruit.APPLE.next() + " " + Fruit.PEAR.next());
        Map<Color, Long> counts = new LinkedHashMap<>();
        counts.put(Color.BLUE, 1L);
        counts.put(Color.RED, 2L);
        counts.put(Color.BLUE, 3L);
        for (Color key : counts.keySet()) System.out.println(key + "=" + counts.get(key));
        System.out.println(Color.valueOf("BLUE"));
        List<Color> wheel = new ArrayList<>(List.of(Color.BLUE, Color.RED, Color.GREEN));
        wheel.sort(Comparator.comparing(x -> x.ordinal()));
        System.out.println(wheel);
    }
}
