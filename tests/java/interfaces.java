// Prints the same as interfaces.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    interface Shape {
        double area();

        default String describe() { return name() + " of " + area(); }

        default String name() { return "shape"; }

        static Shape unit() { return new Square(1); }
    }

    record Square(double side) implements Shape {
        public double area() { return side * side; }

        public String name() { return "square"; }
    }

    static class Blob implements Shape {
        double size;

        Blob(double size) { this.size = size; }

        public double area() { return size; }

        void grow() { size *= 2; }
    }

    interface Named { String label(); }
    interface Counted extends Named {
        long count();

        default String label() { return "counted " + count(); }
    }
    static class Both implements Counted, Shape {
        public long count() { return 3; }

        public double area() { return 0.5; }

        public String name() { return label() + "!"; }
    }

    static double total(List<Shape> shapes) {
        double sum = 0;
        for (Shape s : shapes) sum += s.area();
        return sum;
    }

    public static void main(String[] arguments) {
        Blob blob = new Blob(2);
        Shape shape = blob;
        System.out.println(shape.describe());
        blob.grow();
        System.out.println(shape.describe());
        System.out.println(Shape.unit().describe());
        Both both = new Both();
        System.out.println(both.describe());
        Named named = both;
        System.out.println(named.label());
        Counted counted = both;
        System.out.println(counted.count());
        List<Shape> shapes = List.of(shape, new Square(3), both);
        System.out.println(total(shapes));
        for (Shape s : shapes) System.out.println(s.name());
    }
}
