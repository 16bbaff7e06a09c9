// Prints the same as matrix.ds: see tests/tests/java.rs.
import java.util.*;
class Main {
    static List<List<Double>> identity(long n) {
        List<List<Double>> m = new ArrayList<>();
        for (long i = 0; i < n; i++) {
            List<Double> row = new ArrayList<>();
            for (long j = 0; j < n; j++) row.add(i == j ? 1.0 : 0.0);
            m.add(row);
        }
        return m;
    }

    static List<List<Double>> times(List<List<Double>> a, List<List<Double>> b) {
        List<List<Double>> m = identity(a.size());
        for (int i = 0; i < a.size(); i++) {
            for (int j = 0; j < b.size(); j++) {
                double sum = 0;
                for (int k = 0; k < b.size(); k++) sum += a.get(i).get(k) * b.get(k).get(j);
                m.get(i).set(j, sum);
            }
        }
        return m;
    }

    public static void main(String[] arguments) {
        List<List<Double>> m = identity(3);
        m.get(0).set(1, 0.5);
        m.get(1).set(2, -2.25);
        m.get(2).set(0, 1e-3);
        List<List<Double>> power = identity(3);
        for (long i = 0; i < 12; i++) {
            power = times(power, m);
            System.out.println(power);
        }
    }
}
