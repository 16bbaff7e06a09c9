// Prints the same as strings.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        String s = "Hello, World";
        System.out.println(s.length());
        System.out.println((long) s.charAt(0));
        System.out.println(s.charAt(11) - 'a');
        System.out.println(s.substring(7));
        System.out.println(s.substring(0, 5));
        System.out.println(s.substring(5, 5).isEmpty());
        System.out.println(s.substring(12).length());
        System.out.println(s.indexOf("o"));
        System.out.println(s.indexOf("o", 5));
        System.out.println(s.indexOf("o", 9));
        System.out.println(s.lastIndexOf("o"));
        System.out.println(s.indexOf(""));
        System.out.println(s.indexOf("World") + " " + s.indexOf("world"));
        System.out.println(s.contains("lo, W"));
        System.out.println(s.contains(""));
        System.out.println(s.startsWith("Hell") + " " + s.startsWith("ell") + " " + s.startsWith(""));
        System.out.println(s.endsWith("ld") + " " + s.endsWith("l") + " " + s.endsWith(""));
        System.out.println(s.replace("l", "LL"));
        System.out.println(s.replace("o, ", ""));
        System.out.println("aaaa".replace("aa", "b"));
        System.out.println("aaa".replace("aa", "b"));
        System.out.println(s.toUpperCase());
        System.out.println(s.toLowerCase());
        System.out.println("  padded\t\n".trim() + "|");
        System.out.println("|" + "\t x \n".trim() + "|");
        System.out.println("ab".repeat(3) + "ab".repeat(0) + "|");
        System.out.println("".isEmpty() + " " + " ".isEmpty() + " " + " \t".isBlank() + " " + "x".isBlank());
        System.out.println(s.equals("Hello," + " World"));
        System.out.println(!s.equals("hello, world"));
        System.out.println(s.equalsIgnoreCase("HELLO, WORLD"));
        System.out.println("a,b,,c".split(",", -1).length);
        for (String part : "a,b,,c,,".split(",", -1)) System.out.println("[" + part + "]");
        for (String part : ",x".split(",", -1)) System.out.println("[" + part + "]");
        for (String part : "one  two".split(" ", -1)) System.out.println("[" + part + "]");
        for (String part : "a.b.c".split("\\.", -1)) System.out.println(part);
        for (String part : "a,b,c".split(",", 2)) System.out.println(part);
        for (String line : "one\ntwo\r\nthree\n\nfive".lines().toList()) System.out.println("<" + line + ">");
        System.out.println(String.join("-", "a", "b", "c"));
        System.out.println(("x".compareTo("y") < 0) + " " + ("b".compareTo("a") > 0) + " " + "q".compareTo("q"));
        System.out.println(("abc".compareTo("ab") > 0) + " " + ("".compareTo("a") < 0) + " " + ("Z".compareTo("a") < 0));
        String reversed = "";
        for (int i = s.length() - 1; i >= 0; i--) reversed += s.substring(i, i + 1);
        System.out.println(reversed);
        System.out.println(new StringBuilder(s).reverse().toString().equals(reversed));
        long vowels = 0;
        for (int i = 0; i < s.length(); i++) {
            long c = s.charAt(i);
            if (c == 'o' || c == 'e') vowels++;
        }
        System.out.println(vowels);
    }
}
