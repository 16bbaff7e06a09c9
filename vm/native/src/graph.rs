//! Which functions may call themselves, directly or through others.

/// By node: whether it lies on a cycle. Tarjan's algorithm, without recursion.
pub(crate) fn recursive(edges: &[Vec<u32>]) -> Vec<bool> {
    const NEW: u32 = u32::MAX;
    let mut order = vec![NEW; edges.len()];
    let mut lowest = vec![0; edges.len()];
    let mut on_path = vec![false; edges.len()];
    let mut result = vec![false; edges.len()];
    let (mut next, mut path) = (0, Vec::new());
    for root in 0..edges.len() {
        if order[root] != NEW {
            continue;
        }
        let mut work = vec![(root, 0)];
        while let Some((node, edge)) = work.pop() {
            if edge == 0 {
                (order[node], lowest[node]) = (next, next);
                next += 1;
                path.push(node);
                on_path[node] = true;
            }
            match edges[node].get(edge).map(|to| *to as usize) {
                Some(to) => {
                    work.push((node, edge + 1));
                    result[node] |= to == node;
                    if order[to] == NEW {
                        work.push((to, 0));
                    } else if on_path[to] {
                        lowest[node] = lowest[node].min(order[to]);
                    }
                }
                None => {
                    if let Some((caller, _)) = work.last() {
                        lowest[*caller] = lowest[*caller].min(lowest[node]);
                    }
                    if lowest[node] == order[node] {
                        let first = path.iter().rposition(|n| *n == node).expect("a node is on its own path");
                        let group: Vec<usize> = path.drain(first..).collect();
                        for member in &group {
                            on_path[*member] = false;
                            result[*member] |= group.len() > 1;
                        }
                    }
                }
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::recursive;

    #[test]
    fn finds_cycles() {
        let check = |edges: &[&[u32]], expected: &[bool]| {
            let edges: Vec<Vec<u32>> = edges.iter().map(|to| to.to_vec()).collect();
            assert_eq!(recursive(&edges), expected);
        };
        check(&[&[], &[1], &[0, 1]], &[false, true, false]);
        check(&[&[1], &[2], &[0, 3], &[]], &[true, true, true, false]);
        check(&[&[1, 2], &[3], &[3], &[]], &[false; 4]);
        check(&[&[1], &[2], &[1], &[0, 2]], &[false, true, true, false]);
    }
}
