// Prints the same as queens.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    static class Board {
        final long size;
        long solutions = 0;
        private final List<Long> columns = new ArrayList<>();

        Board(long size) { this.size = size; }

        boolean safe(long column) {
            for (int row = 0; row < columns.size(); row++) {
                long other = columns.get(row);
                if (other == column || Math.abs(other - column) == columns.size() - row) return false;
            }
            return true;
        }

        void place() {
            if (columns.size() == size) {
                solutions++;
                if (solutions <= 2) System.out.println(columns);
                return;
            }
            for (long column = 0; column < size; column++) {
                if (safe(column)) {
                    columns.add(column);
                    place();
                    columns.remove(columns.size() - 1);
                }
            }
        }
    }

    public static void main(String[] arguments) {
        for (long n = 1; n <= 6; n++) {
            Board board = new Board(n);
            board.place();
            System.out.println(n + ": " + board.solutions);
        }
    }
}
