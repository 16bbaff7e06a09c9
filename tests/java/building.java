// Prints the same as building.ds: see tests/tests/java.rs.
class Main {
    public static void main(String[] arguments) {
        String triangle = "";
        for (long i = 1; i <= 6; i++) {
            for (long j = 0; j < i; j++) triangle += j % 2 == 0 ? "*" : "-";
            triangle += "\n";
        }
        System.out.println(triangle);
        String s = "x";
        for (long i = 0; i < 5; i++) s = s + i + s;
        System.out.println(s);
        System.out.println(s.length());
        String q = "a";
        System.out.println(q + (q = "b") + q + (q += "c") + q);
        long n = 1;
        System.out.println("" + n + (n = 5) + n + n++ + n);
        String digits = "";
        for (long i = 0; i < 300; i++) digits += i;
        System.out.println(digits.length());
        System.out.println(digits.substring(700, 720));
        double d = 0.5;
        String mixed = 1 + 2 + d + "|" + d * 2 + 1 + true + 'x' * 1 + -d;
        System.out.println(mixed);
        boolean equal = ("a" + "b").equals("ab");
        System.out.println(equal);
    }
}
