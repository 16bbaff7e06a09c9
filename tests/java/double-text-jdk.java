// Prints the same as double-text-jdk.ds: see tests/tests/java.rs.
class Main {
    // Doubles that every JDK prints alike.
    public static void main(String[] arguments) {
        System.out.println(0.0);
        System.out.println(-0.0);
        System.out.println(1.0);
        System.out.println(-1.5);
        System.out.println(100.0);
        System.out.println(1234567.0);
        System.out.println(9999999.0);
        System.out.println(10000000.0);
        System.out.println(12345678.9);
        System.out.println(0.001);
        System.out.println(0.00099);
        System.out.println(0.1);
        System.out.println(1e-5);
        System.out.println(1.5e-10);
        System.out.println(1e21);
        System.out.println(1e22);
        System.out.println(123e100);
        System.out.println(1.7976931348623157e308);
        System.out.println(4.9e-324);
        System.out.println(3.141592653589793);
        System.out.println(2.718281828459045);
        System.out.println(1.0 / 3);
        System.out.println(2.0 / 3);
        System.out.println(100.0 / 3);
        System.out.println(1e7 / 3);
        System.out.println(1e-3 / 3);
        System.out.println("" + 0.5 + 1.0 + 1e10);
        System.out.println(1.0E10);
        System.out.println(5e-1);
    }
}
