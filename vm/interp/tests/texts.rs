//! Texts of doubles against what JDK 21 prints, durations and times there and back.

use dscript_interp::{double_text, duration_text, parse_double, parse_duration, parse_time, time_text};

#[test]
fn doubles_as_jdk_21() {
    for (value, text) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (-1.5, "-1.5"),
        (0.1, "0.1"),
        (0.1 + 0.2, "0.30000000000000004"),
        (100.0, "100.0"),
        (1234567.0, "1234567.0"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1e10, "1.0E10"),
        (12345678.9, "1.23456789E7"),
        (0.001, "0.001"),
        (0.002, "0.002"),
        (0.00123, "0.00123"),
        (0.000999, "9.99E-4"),
        (1e-5, "1.0E-5"),
        (1.0 / 3.0, "0.3333333333333333"),
        (2.0 / 3.0, "0.6666666666666666"),
        (1e21, "1.0E21"),
        (2e23, "2.0E23"),
        (1e23, "1.0E23"),
        (9007199254740993.0, "9.007199254740992E15"),
        (f64::MAX, "1.7976931348623157E308"),
        (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
        (f64::from_bits(1), "4.9E-324"),
        (f64::from_bits(2), "9.9E-324"),
        (f64::from_bits(3), "1.5E-323"),
        (f64::from_bits(4), "2.0E-323"),
        (2.2250738585072014e-308 - 4.9e-324, "2.225073858507201E-308"),
        (123456.789, "123456.789"),
        (std::f64::consts::PI, "3.141592653589793"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
        (f64::NAN, "NaN"),
    ] {
        assert_eq!(double_text(value), text);
    }
}

#[test]
fn every_text_reads_back() {
    let mut bits = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..200_000 {
        bits = bits.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let value = f64::from_bits(bits);
        if value.is_finite() {
            let text = double_text(value);
            assert_eq!(parse_double(&text).map(f64::to_bits), Some(bits), "{text}");
        }
    }
    for text in ["", "x", "1f", "0x1p3", "inf", "nan", "1e", "--1", "infinity"] {
        assert_eq!(parse_double(text), None, "{text}");
    }
}

#[test]
fn durations() {
    for (nanos, text) in [
        (0, "0s"),
        (1, "1ns"),
        (500_000_000, "500ms"),
        (90_000_000_000, "1m30s"),
        (1_500_000_000, "1s500ms"),
        (86_400_000_000_000, "1d"),
        (3_601_000_000_000, "1h1s"),
        (-1_001_000, "-1ms1us"),
        (i64::MIN, "-106751d23h47m16s854ms775us808ns"),
    ] {
        assert_eq!(duration_text(nanos), text);
        assert_eq!(parse_duration(text), Some(nanos));
    }
    for text in ["", "-", "5", "5x", "s", "1.5s", "99999999d99999999d"] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}

#[test]
fn times() {
    for (nanos, text) in [
        (0, "1970-01-01T00:00:00Z"),
        (1_700_000_000_123_000_000, "2023-11-14T22:13:20.123Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
    ] {
        assert_eq!(time_text(nanos), text);
        assert_eq!(parse_time(text), Some(nanos));
    }
    assert_eq!(parse_time("2023-11-14T23:13:20+01:00"), Some(1_700_000_000_000_000_000));
    assert_eq!(parse_time("yesterday"), None);
}
