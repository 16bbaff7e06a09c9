import sys
def main():
    samples=busy=waiting=most=0;queue={}
    with open(sys.argv[1]) as f:
        for line in f:
            w=line.split()
            us=int(w[12]);sy=int(w[13]);wa=int(w[15]);free=int(w[3]);r=int(w[0])
            samples+=1;busy+=us+sy
            if wa>50: waiting+=1
            if free>most: most=free
            queue[r]=queue.get(r,0)+1
    common=0
    for r in range(20):
        if queue.get(r,0)>queue.get(common,0): common=r
    print(samples,busy,waiting,most,len(queue),common)
main()
