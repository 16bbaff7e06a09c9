// Prints the same as calendar.ds: see tests/tests/java.rs.
class Main {
    // Days since 1970 from a date and back (Howard Hinnant's algorithms).

    static long daysFromCivil(long year, long month, long day) {
        long y = month <= 2 ? year - 1 : year;
        long era = (y >= 0 ? y : y - 399) / 400;
        long yearOfEra = y - era * 400;
        long dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        long dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
        return era * 146097 + dayOfEra - 719468;
    }

    static String civil(long days) {
        long z = days + 719468;
        long era = (z >= 0 ? z : z - 146096) / 146097;
        long dayOfEra = z - era * 146097;
        long yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365;
        long dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
        long m = (5 * dayOfYear + 2) / 153;
        long day = dayOfYear - (153 * m + 2) / 5 + 1;
        long month = m < 10 ? m + 3 : m - 9;
        long year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
        return year + "-" + (month < 10 ? "0" : "") + month + "-" + (day < 10 ? "0" : "") + day;
    }

    static boolean leap(long year) { return year % 4 == 0 && year % 100 != 0 || year % 400 == 0; }

    public static void main(String[] arguments) {
        System.out.println(daysFromCivil(1970, 1, 1));
        System.out.println(daysFromCivil(2000, 2, 29));
        System.out.println(daysFromCivil(1900, 3, 1));
        System.out.println(daysFromCivil(-4712, 1, 1));
        System.out.println(daysFromCivil(2026, 11, 28));
        for (long days = -1000000; days <= 100000; days += 99991) System.out.println(civil(days));
        for (long year = 1896; year <= 2004; year += 4) System.out.println(year + " " + leap(year));
        String weekday = switch ((int) ((daysFromCivil(2026, 11, 28) % 7 + 11) % 7)) {
            case 0 -> "Sunday";
            case 6 -> "Saturday";
            default -> "a day of work";
        };
        System.out.println(weekday);
    }
}
