// Prints the same as emoji.ds: see tests/tests/java.rs.
class Main {
    static long length(String text) { return text.codePointCount(0, text.length()); }

    static long at(String text, long index) { return text.codePointAt(text.offsetByCodePoints(0, (int) index)); }

    static String part(String text, int from, int to) { return text.substring(text.offsetByCodePoints(0, from), text.offsetByCodePoints(0, to)); }

    public static void main(String[] arguments) {
        String s = "a😀b🎉é中";
        System.out.println(s);
        System.out.println(length(s));
        for (long i = 0; i < length(s); i++) System.out.println(at(s, i));
        System.out.println(part(s, 1, 2));
        System.out.println(part(s, 2, 6));
        System.out.println(s.contains("🎉"));
        System.out.println(s.startsWith("a😀"));
        System.out.println(s.endsWith("é中"));
        System.out.println(s.replace("😀", ":)"));
        System.out.println(s + "👍" + "!");
        System.out.println("👍".repeat(3));
        System.out.println("\uD83D\uDE00");
        System.out.println("\uD83D\uDE00".equals("😀"));
        System.out.println("straße".toUpperCase());
        System.out.println("ÀÉÎ".toLowerCase());
        System.out.println("x😀y".split("😀", -1).length);
        System.out.println("😀".compareTo("😁") < 0);
        System.out.println("é".equals("e\u0301"));
    }
}
