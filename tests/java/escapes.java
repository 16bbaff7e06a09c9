// Prints the same as escapes.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        System.out.println("tab\there");
        System.out.println("quote \" and \' and \\");
        System.out.println("line\nbreak");
        System.out.println("a\rb".length());
        System.out.println("\0".length());
        System.out.println("\101\102\7".length());
        System.out.println("\101\102");
        System.out.println("\u0041\u00e9\u4e2d");
        System.out.println("\b\f\s|".length());
        System.out.println("a\sb");
        System.out.println('\n' + 0);
        System.out.println('\t' + 0);
        System.out.println('\\' + 0);
        System.out.println('\'' + 0);
        System.out.println('"' + 0);
        System.out.println('\u0041' + 0);
        System.out.println('\101' + 0);
        System.out.println("\377".charAt(0) + 0);
        System.out.println("\1234");
        System.out.println("//no comment /* nor this */");
        System.out.println("" + "" + "\"\"");
        System.out.println("é".length() + " " + "中文".length());
        System.out.println("$ $x \\$");
        System.out.println("100%");
    }
}
