// Prints the same as text-blocks.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        String plain = """
            first
              second
            third
            """;
        System.out.println(plain);
        System.out.println(plain.length());
        String tail = """
            no line end at the end""";
        System.out.println(tail + "|");
        String indented = """
                deep
            shallow
              middle
          """;
        System.out.println(indented);
        String escapes = """
            tab\there \"quoted\" "plain" \\ back
            joined \
            line
            kept \s|
            """;
        System.out.println(escapes);
        System.out.println(escapes.length());
        String quotes = """
            "" two and \""" three
            """;
        System.out.println(quotes);
        String empty = """
            """;
        System.out.println(empty.length());
        String blank = """

            after a blank line

            """;
        System.out.println(blank);
        System.out.println("""
            in a call
            """.trim() + "!");
    }
}
