// Prints the same as evaluator.ds: see tests/tests/java.rs.
class Main {
    // A calculator: recursive descent over the characters of a text.
    static class Parser {
        private final String text;
        private long at = 0;

        Parser(String text) { this.text = text; }

        long peek() { return at < text.length() ? text.charAt((int) at) : -1; }

        long take() {
            long c = peek();
            at++;
            return c;
        }

        long number() {
            long value = 0;
            while (peek() >= '0' && peek() <= '9') value = value * 10 + take() - '0';
            return value;
        }

        long factor() {
            if (peek() == '-') {
                take();
                return -factor();
            }
            if (peek() != '(') return number();
            take();
            long value = sum();
            take();
            return value;
        }

        long product() {
            long value = factor();
            while (peek() == '*' || peek() == '/' || peek() == '%') {
                long op = take();
                long right = factor();
                value = op == '*' ? value * right : op == '/' ? value / right : value % right;
            }
            return value;
        }

        long sum() {
            long value = product();
            while (peek() == '+' || peek() == '-') {
                if (take() == '+') value += product();
                else value -= product();
            }
            return value;
        }
    }

    public static void main(String[] arguments) {
        String[] texts = {"1+2*3", "(1+2)*3", "-4*-(5-7)", "100/7%4", "2*(3+(4-(5)))*6", "7--3", "1-2-3-4", "((((9))))"};
        for (String text : texts) System.out.println(text + " = " + new Parser(text).sum());
    }
}
