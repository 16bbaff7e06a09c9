// Prints the same as sealed.ds: see tests/tests/java.rs.
class Main {
    sealed interface Shape {}
    record Circle(double radius) implements Shape {}
    record Rect(double width, double height) implements Shape {}
    record Group(Shape first, Shape second) implements Shape {}

    static double area(Shape shape) {
        return switch (shape) {
            case Circle c -> c.radius * c.radius * 3;
            case Rect r -> {
                double product = r.width * r.height;
                yield product;
            }
            case Group g -> area(g.first) + area(g.second);
        };
    }

    static String kind(Shape shape) {
        String found = "";
        switch (shape) {
            case Circle c -> { found = "circle " + c.radius; }
            case Group g -> { found = "group of " + kind(g.first) + " and " + kind(g.second); }
            case Rect r -> { found = r.width == r.height ? "square" : "rect"; }
        }
        return found;
    }

    static long depth(Shape shape) {
        if (!(shape instanceof Group g)) return 1;
        return 1 + Math.max(depth(g.first), depth(g.second));
    }

    public static void main(String[] arguments) {
        Shape all = new Group(new Circle(2), new Group(new Rect(2, 3), new Rect(1.5, 1.5)));
        System.out.println(area(all));
        System.out.println(kind(all));
        System.out.println(depth(all));
        Shape[] shapes = {new Circle(1), new Rect(1, 2), all};
        double sum = 0;
        for (Shape s : shapes) sum += area(s);
        System.out.println(sum);
        for (Shape s : shapes) {
            if (s instanceof Rect r && r.width < r.height) System.out.println("tall " + r.height);
            else if (s instanceof Circle || s instanceof Group) System.out.println("no rect");
        }
    }
}
