// Prints the same as switch-string.ds: see tests/tests/java.rs.
class Main {
    static long points(String word) {
        return switch (word) {
            case "one" -> 1;
            case "two", "deux", "zwei" -> 2;
            case "" -> 0;
            case "Aa" -> 10;
            case "BB" -> 20;
            case "é" -> 30;
            default -> -word.length();
        };
    }

    static String verb(String command) {
        switch (command) {
            case "start", "restart" -> { return "up"; }
            case "stop" -> { return "down"; }
            default -> { return "?" + command; }
        }
    }

    public static void main(String[] arguments) {
        String[] words = {"one", "two", "zwei", "", "Aa", "BB", "é", "three", "ONE"};
        for (String word : words) System.out.println(word + ": " + points(word));
        System.out.println(verb("start") + verb("restart") + verb("stop") + verb("status"));
        String built = "on";
        built += "e";
        System.out.println(points(built));
        String state = "idle";
        long steps = 0;
        while (!state.equals("done")) {
            state = switch (state) {
                case "idle" -> "busy";
                case "busy" -> steps < 3 ? "idle" : "closing";
                case "closing" -> "done";
                default -> "lost";
            };
            steps++;
            System.out.println(state);
        }
        System.out.println(steps);
    }
}
