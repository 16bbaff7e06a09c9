//! A line of blocks, as high as the values are.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The last `width` values between 0 and `top`.
pub fn sparkline(values: &[f64], top: f64, width: usize) -> String {
    let from = values.len().saturating_sub(width);
    values[from..]
        .iter()
        .map(|value| {
            let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
            let step = (share * (BLOCKS.len() - 1) as f64).round() as usize;
            BLOCKS[step.min(BLOCKS.len() - 1)]
        })
        .collect()
}

/// Bytes in few characters: `5.1G`.
pub fn bytes(value: f64) -> String {
    const UNITS: [&str; 5] = ["B", "K", "M", "G", "T"];
    let mut value = value;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 || value >= 100.0 {
        format!("{value:.0}{}", UNITS[unit])
    } else {
        format!("{value:.1}{}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        assert_eq!(sparkline(&[0.0, 50.0, 100.0, 200.0], 100.0, 3), "▅██");
        assert_eq!(sparkline(&[1.0, f64::NAN], 0.0, 9), "▁▁");
        assert_eq!(sparkline(&[], 1.0, 9), "");
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes(0.0), "0B");
        assert_eq!(bytes(5.1 * 1024.0 * 1024.0 * 1024.0), "5.1G");
        assert_eq!(bytes(999.0 * 1024.0), "999K");
        assert_eq!(bytes(1e30), "909494701772928256T");
    }
}
